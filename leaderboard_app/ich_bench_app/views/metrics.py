"""What every number means, to be played with."""

from __future__ import annotations

import streamlit as st

from ich_bench_app import page
from ich_bench_app.viewer import definitions, toy_section

page.begin("metrics", "What every number means, and how it moves: play with it.")
toy = st.container()
definitions.show_definitions()
definitions.show_empty()
definitions.show_profiles()
foot = st.empty()
with toy:
    toy_section.toy_section(foot)
