"""Two small ETL pipelines: `flights` computes on real data, `sensors` mostly waits."""
