"""One submission with all that is known about it."""

from __future__ import annotations

from ich_bench_app import controls, data, method_card, method_standings, methods, page

page.begin("method", "One method: what it says of itself, where it stands, what its numbers rest on.")
sources = data.sources()
known = methods.names(sources)
if not known:
    page.is_empty(data.board(methods.dataset_looked_at()))
else:
    one = known[controls.choose("Method", tuple(known), key="method", default=methods.first(known))]
    method_card.heading(one)
    found = list(method_standings.boards(one))
    method_standings.show(found)
    method_card.beware(one, found)
    method_standings.reported(found)
    method_card.cost(one)
    method_card.manifest(one)
    method_card.files(one)
    method_card.versions(one, (*sources.submissions, *sources.runs))
    method_card.citation(one)
page.end()
