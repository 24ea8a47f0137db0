"""Runs a command whose output is a subunit stream, says how each test ended, and writes it down.

Arguments: a folder, the number of tests to come, the command. In the folder it leaves `results.jsonl` (name, outcome,
reason, seconds) and, for each test that failed, `<name>.log` with the traceback and everything that the test logged.
"""

import json
import pathlib
import subprocess
import sys

import subunit
import testtools

OUTCOMES = {"success": "passed", "xfail": "passed", "skip": "skipped"}


def text(test, key):
    detail = test["details"].get(key)
    return detail.as_text().strip() if detail else ""


def reason(test, outcome):
    if outcome == "skipped":
        return text(test, "reason")
    lines = [line for key in test["details"] if key.startswith("traceback") for line in text(test, key).splitlines()]
    return lines[-1] if lines else test["status"]


def seconds(test):
    start, end = test["timestamps"]
    return (end - start).total_seconds() if start and end else 0.0


def main():
    folder, expected = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    run = subprocess.Popen(sys.argv[3:], stdout=subprocess.PIPE)
    ended = 0

    with open(folder / "results.jsonl", "w") as results, open(folder / "output.log", "wb") as output:

        def on_test(test):
            nonlocal ended
            if test["status"] in ("exists", "unknown"):
                return
            name = test["id"].split("[")[0]
            outcome = OUTCOMES.get(test["status"], "failed")
            record = {"name": name, "outcome": outcome, "reason": "", "seconds": round(seconds(test), 2)}
            if outcome != "passed":
                record["reason"] = reason(test, outcome)
            if outcome == "failed":
                details = "\n".join(f"== {key}\n{text(test, key)}\n" for key in test["details"])
                (folder / f"{name}.log").write_text(details)
            results.write(json.dumps(record) + "\n")
            results.flush()
            ended += 1
            print(f"{ended:4}/{expected} {outcome:7} {record['seconds']:6.1f} s  {name}", flush=True)

        class Output(testtools.StreamResult):
            """What the tests printed beside the stream."""

            def status(self, file_bytes=None, test_id=None, **_):
                if file_bytes and not test_id:
                    output.write(file_bytes)

        streams = testtools.CopyStreamResult([testtools.StreamToDict(on_test), Output()])
        streams.startTestRun()
        subunit.ByteStreamToStreamResult(run.stdout, non_subunit_name="stdout").run(streams)
        streams.stopTestRun()
    run.wait()


main()
