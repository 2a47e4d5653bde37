"""The pages' files, as `st.Page`, `st.switch_page` and `st.page_link` name them."""

OVERVIEW = "page_overview.py"
QUEUE = "page_queue.py"
CASE = "page_case.py"
MAP = "page_map.py"
SERIES = "page_series.py"
MODEL = "page_model.py"
