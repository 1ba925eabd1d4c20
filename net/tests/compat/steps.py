"""How are steps with a client counted and shown?

A step is a function with a sentence. It works unless it raises; what it leaves behind is cleaned up by
the next run of its suite.
"""

import sys


class Steps:
    """The steps of one client, in order."""

    def __init__(self, client, version):
        self.title = f"{client} {version}"
        self.steps = []

    def __call__(self, says):
        """Adds the function below as a step."""

        def add(step):
            self.steps.append((says, step))
            return step

        return add

    def report(self, run):
        """Runs all steps with `run`, prints a table and ends with the count of failures."""
        rows = []
        for says, step in self.steps:
            try:
                run(step)
                rows.append((says, "works"))
            except Exception as error:
                first = " ".join(str(error).split())[:160].replace("|", "\\|")
                rows.append((says, f"fails: {type(error).__name__}: {first}"))
        failed = sum(1 for _, result in rows if result != "works")
        print(f"{self.title}: {len(rows) - failed} steps work, {failed} fail.")
        print("\n| step | |\n| --- | --- |")
        for says, result in rows:
            print(f"| {says} | {result} |")
        sys.exit(min(failed, 100))
