from __future__ import annotations
def write_report(jobs, out):
    return out
