"""From the JSON document of a session to what people read: terminal, HTML, Markdown.

Every function here takes the document (schema `pytest-pipeline/1`, a plain dictionary) and nothing
else, so that a stored JSON file can be turned into the same page again, byte for byte.
Import the modules, not this package: `html` needs jinja2, the others only the standard library.
"""
