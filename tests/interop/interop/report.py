"""Results of cases: one printed line each, and the count at the end."""

import json
import threading
import traceback
from dataclasses import dataclass


@dataclass
class Result:
    case: str
    ok: bool
    detail: str = ""


class Report:
    """Collects and prints the results of one gate."""

    def __init__(self, gate):
        self.gate = gate
        self.results = []
        self.lock = threading.Lock()  # cases run at the same time

    def add(self, case, ok, detail=""):
        line = f"{'ok    ' if ok else 'FAILED'} {self.gate} {case}"
        with self.lock:
            self.results.append(Result(case, ok, detail))
            print(line if ok and not detail else f"{line}: {detail}", flush=True)

    def run(self, case, function, *arguments):
        """Runs one case; whatever it raises is its failure."""
        try:
            self.add(case, True, function(*arguments) or "")
        except Exception as error:  # noqa: BLE001 - the boundary of a case
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.add(case, False, f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"[:20_000])

    def not_served(self, case, what):
        """A case that needs what the broker does not advertise."""
        self.add(case, False, f"{what} are not advertised")

    def add_json_lines(self, output):
        """Takes the `{"case", "ok", "detail"}` lines that a gate in another process printed."""
        for line in output.splitlines():
            if line.startswith('{"case"'):
                row = json.loads(line)
                if "waits" in row:
                    self.not_served(row["case"], row["waits"])
                    continue
                self.add(row["case"], row["ok"], row.get("detail", ""))

    @property
    def passed(self):
        return sum(1 for r in self.results if r.ok)

    @property
    def failed(self):
        return [r.case for r in self.results if not r.ok]


def expect(condition, message):
    """A check that stays on whatever flags Python runs with."""
    if not condition:
        raise AssertionError(message)


def expect_equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.600}, wanted {wanted!r:.600}")
