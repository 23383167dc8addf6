"""Runs artefacts without Keras and this package, one after the other: `python -P artefacts.py fresh_process.py`.

`fresh_process.py` starts a process per artefact. This process does the same for each line of standard input (a JSON
list of the arguments), so that one process serves a whole test run. It answers each with a line: the error, or nothing.
"""

import importlib.util
import json
import sys
import traceback


def main(file):
    spec = importlib.util.spec_from_file_location("fresh_process", file)
    fresh_process = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh_process)
    fresh_process.hide()
    for line in sys.stdin:
        complaint = ""
        try:
            fresh_process.write_answers(*json.loads(line))
        except Exception as error:
            complaint = traceback.format_exception_only(error)[-1].strip().splitlines()[-1]
        print(json.dumps(complaint), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
