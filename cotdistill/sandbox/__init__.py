"""Programs that nobody has read, run where they can do no harm, and judged by a process that runs none of their lines.

`run` starts two processes in worlds of their own (`isolation`): `answer_process` holds the program, `test_process`
holds the tests and sees the program through plain values and proxies (`wire`, `peer`, `handles`). Everything but `run`
and `isolation` runs inside, where only the standard library is at hand: these modules import nothing else.
"""
