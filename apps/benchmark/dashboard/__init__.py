"""How long the dashboard takes on a store of many alerts: each page, each query and each write."""
