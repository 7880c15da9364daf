"""How far a download is: a bar, or a line where nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from azureml_deploy.replay.fetched_step import ProgressBar
from azureml_deploy.runs import downloads
from azureml_deploy.wording import size_text


def progress_bar(console: Console) -> ProgressBar:
    """Return what shows a download on a console."""

    @contextmanager
    def opened(title: str, total: int) -> Iterator[downloads.Progress]:
        if not total:
            yield lambda _: None
            return
        if not console.is_terminal:
            console.print(f"Downloading {title}: {size_text(total)}", soft_wrap=True)
            yield lambda _: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), console=console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda size: bar.update(task, advance=size)

    return opened
