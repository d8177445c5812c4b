"""What this is, what changed, what was left out."""

from __future__ import annotations

from ich_bench_app import about_page, overview_page, page

page.begin("about", "How the numbers came about, what they are not for, and what changed since you last looked.")
about_page.words()
about_page.changes()
about_page.left_out()
overview_page.show()
about_page.references()
page.end()
