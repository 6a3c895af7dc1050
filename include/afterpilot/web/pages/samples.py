"""One eval sample with request and response."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.record.history import runs, samples
from afterpilot.web.access import sight
from afterpilot.web.filters import identity
from afterpilot.web.frame import Frame
from afterpilot.web.viewing import evidence, shows


def router(frame: Frame) -> APIRouter:
    """Routes of samples."""
    routes = APIRouter()

    @routes.get("/runs/{run_id}/samples/{case_id:path}/{epoch:int}")
    @evidence()
    def one(request: Request, run_id: str, case_id: str, epoch: int) -> HTMLResponse:
        which = identity(run_id)
        with frame.reading() as connection:
            run = sight(request).of(runs.one_run(connection, which))
            within = (run["window_start"], run["finished_at"]) if run is not None else None
            found = samples.one_sample(connection, which, case_id, epoch, within=within)
        sample = sight(request).of(found)
        if sample is None:
            raise HTTPException(404, "No such sample is kept. Samples older than the retention may have been removed.")
        shows(request, f"run:{which}", sample["workflow"], part=f"case {case_id}, epoch {epoch}")
        return frame.page(
            request,
            "sample.html",
            title=f"Case {case_id}, epoch {epoch}",
            here="runs",
            withholds=False,
            sample=sample,
            run=run,
            which=which,
        )

    return routes
