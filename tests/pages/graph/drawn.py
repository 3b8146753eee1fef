"""What the drawing of the Graph page holds."""

from streamlit.testing.v1 import AppTest

from tests.pages.app import shown


def heaviest(app: AppTest) -> dict:
    """The strongest edge that is drawn, with its ends."""
    drawn = shown(app, "graph-canvas")
    edge = max((edge for edge in drawn["edges"] if not edge["run"]), key=lambda edge: abs(edge["weight"]))
    return edge | {"ends": [drawn["nodes"][edge[end]]["id"] for end in ("source", "target")]}


def segments(app: AppTest) -> set[str]:
    """Segments of the tokens that the drawing has nodes of, the contrast's aside."""
    drawn = shown(app, "graph-canvas")
    columns = {column["first"]: column["segment"] for column in drawn["columns"]}
    return {columns[node["token"]] for n, node in enumerate(drawn["nodes"]) if n != drawn["contrast"]}


def asked(drawn: dict) -> dict[str, bool | None]:
    """The buttons under the drawing, and whether each is pressed."""
    return {ask["name"]: ask["on"] for ask in drawn["asks"]}
