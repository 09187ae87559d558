"""A sweeper of Hydra's that searches: it asks for jobs in turns and looks at what they return."""

from __future__ import annotations

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper


class SearchingSweeper(Sweeper):
    """Runs each of two seeds, one of them twice; ``returned`` holds what the jobs returned."""

    returned: list = []  # noqa: RUF012

    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments):
        given = [argument for argument in arguments if not argument.startswith("seed=")]
        for number, seed in enumerate((1, 2, 1)):
            (job,) = self.launcher.launch([[*given, f"seed={seed}"]], initial_job_idx=number)
            self.returned.append(job.return_value)
