// The timeline, zoomable: drawn on a canvas over the same data; without it the SVG stays.
(() => {
  const LEFT = 168, LANE = 18, BAR = 12, MAX_LANES = 48, EDGE = 16;
  const COLUMNS = ["item", "worker", "enqueued_us", "started_us", "finished_us"];
  let parsed = null;
  const documentData = () => {
    if (!parsed) {
      try { parsed = JSON.parse(document.getElementById("report-data").textContent); } catch { parsed = { tests: [] }; }
    }
    return parsed;
  };
  const timelineAt = (address) => {
    const [test, run, arm] = address.split("/").map(Number);
    return documentData().tests[test]?.runs[run]?.arms[arm]?.timeline || null;
  };

  // One typed array per column and lane, sorted by start: a visit is found by bisection, not by search.
  const lanesOf = (timeline) => {
    const lanes = new Map();
    timeline.item.forEach((_, k) => {
      const key = timeline.stage[k] * 1e6 + timeline.worker[k];
      if (!lanes.has(key)) lanes.set(key, []);
      lanes.get(key).push(k);
    });
    return [...lanes.entries()].sort((a, b) => a[0] - b[0]).slice(0, MAX_LANES).map(([, rows]) => {
      rows.sort((a, b) => timeline.started_us[a] - timeline.started_us[b]);
      const lane = { stage: timeline.stage[rows[0]] };
      for (const name of COLUMNS) lane[name] = Float64Array.from(rows, (k) => timeline[name][k]);
      return lane;
    });
  };
  const firstEndingAfter = (lane, time) => {
    let low = 0, high = lane.item.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lane.finished_us[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  };
  const show = (us) => (us >= 1e6 ? `${(us / 1e6).toPrecision(3)} s` : us >= 1e3 ? `${(us / 1e3).toPrecision(3)} ms` : `${Math.round(us)} µs`);

  const attach = (figure) => {
    const timeline = timelineAt(figure.dataset.timeline);
    const svg = figure.querySelector("svg");
    if (!timeline || !svg || !timeline.item.length) return;
    const lanes = lanesOf(timeline);
    const labels = [...svg.querySelectorAll("text[text-anchor=end]")].slice(0, lanes.length).map((each) => each.textContent);
    const end = Math.max(1, (timeline.makespan_s || 0) * 1e6, ...lanes.map((lane) => lane.finished_us[lane.finished_us.length - 1]));
    const canvas = document.createElement("canvas");
    const said = document.createElement("output");
    const hint = "wheel with Ctrl or focus zooms, drag or arrow keys move, + and - zoom, Home shows all";
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${svg.getAttribute("aria-label")}; ${hint}`);
    said.textContent = hint;
    said.className = "muted said";
    const height = lanes.length * LANE + 26;
    let view = [0, end], waiting = false, width = 0, drag = null;

    const draw = () => {
      waiting = false;
      const css = getComputedStyle(document.documentElement);
      const colour = (name) => css.getPropertyValue(`--${name}`).trim();
      const ratio = devicePixelRatio || 1;
      width = Math.max(320, Math.min(1100, figure.clientWidth));
      if (canvas.width !== Math.round(width * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
      const paint = canvas.getContext("2d");
      paint.setTransform(ratio, 0, 0, ratio, 0, 0);
      paint.clearRect(0, 0, width, height);
      paint.font = "12px system-ui, sans-serif";
      const room = width - LEFT - EDGE, scale = room / (view[1] - view[0]);
      axis(paint, colour, room, scale);
      lanes.forEach((lane, k) => {
        const top = k * LANE + 4;
        paint.fillStyle = colour("text");
        paint.textAlign = "right";
        paint.fillText(labels[k] || "", LEFT - 8, top + 10);
        paint.fillStyle = colour(`c${lane.stage % 6}`);
        spans(paint, lane, top, room, scale);
      });
    };
    // Visits thinner than a pixel become one column as high as its busy share.
    const spans = (paint, lane, top, room, scale) => {
      const columns = new Float64Array(Math.ceil(room) + 1);
      for (let k = firstEndingAfter(lane, view[0]); k < lane.item.length && lane.started_us[k] < view[1]; k += 1) {
        const from = Math.max(0, (lane.started_us[k] - view[0]) * scale);
        const to = Math.min(room, (lane.finished_us[k] - view[0]) * scale);
        if (to - from >= 1.5) paint.fillRect(LEFT + from, top, to - from - 0.4, BAR);
        else columns[Math.floor((from + to) / 2)] += to - from;
      }
      columns.forEach((busy, x) => {
        if (busy > 0) { const high = Math.max(1, Math.min(1, busy) * BAR); paint.fillRect(LEFT + x, top + BAR - high, 1, high); }
      });
    };
    const axis = (paint, colour, room, scale) => {
      const raw = (view[1] - view[0]) / 6, power = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
      paint.textAlign = "center";
      for (let at = Math.ceil(view[0] / step) * step; at <= view[1] + step * 1e-9; at += step) {
        const x = LEFT + (at - view[0]) * scale;
        paint.fillStyle = colour("grid");
        paint.fillRect(x, 0, 1, lanes.length * LANE + 4);
        paint.fillStyle = colour("muted");
        paint.fillText(at ? show(at) : "0", x, lanes.length * LANE + 18);
      }
    };
    const request = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
    const move = (from, to) => {
      const span = Math.min(end, Math.max(end / 1e5, 1, to - from));
      const start = Math.min(end - span, Math.max(0, from));
      view = [start, start + span];
      request();
    };
    const timeAt = (event) => view[0] + (event.offsetX - LEFT) / (width - LEFT - EDGE) * (view[1] - view[0]);
    const zoom = (factor, at) => move(at - (at - view[0]) * factor, at + (view[1] - at) * factor);
    const middle = () => (view[0] + view[1]) / 2;

    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, timeAt(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { drag = [event.offsetX, ...view]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { drag = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (drag) {
        const by = (drag[0] - event.offsetX) / (width - LEFT - EDGE) * (drag[2] - drag[1]);
        move(drag[1] + by, drag[2] + by);
        return;
      }
      const lane = lanes[Math.floor(event.offsetY / LANE)], time = timeAt(event);
      const k = lane ? firstEndingAfter(lane, time) : -1;
      const hit = lane && k < lane.item.length && lane.started_us[k] <= time;
      said.textContent = hit
        ? `${timeline.stage_names[lane.stage]}, worker ${lane.worker[k] + 1}, item ${lane.item[k]}: ${show(lane.finished_us[k] - lane.started_us[k])} of service from ${show(lane.started_us[k])}, waited ${show(Math.max(0, lane.started_us[k] - lane.enqueued_us[k]))}`
        : hint;
    });
    canvas.addEventListener("keydown", (event) => {
      const span = view[1] - view[0];
      const keys = {
        ArrowLeft: () => move(view[0] - span / 5, view[1] - span / 5),
        ArrowRight: () => move(view[0] + span / 5, view[1] + span / 5),
        "+": () => zoom(0.7, middle()), "=": () => zoom(0.7, middle()),
        "-": () => zoom(1.4, middle()), Home: () => move(0, end),
      };
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    addEventListener("resize", request);
    new MutationObserver(request).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", request);
    svg.classList.add("replaced");
    svg.after(canvas, said);
    draw();
  };

  // A canvas is made when its test is opened: nobody pays for a timeline that nobody looks at.
  const prepare = (details) => {
    if (!details.open) return;
    for (const figure of details.querySelectorAll("figure[data-timeline]")) {
      if (!figure.clientWidth || figure.querySelector("canvas")) continue;
      attach(figure);
    }
  };
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => prepare(details));
    prepare(details);
  }
})();
