"""`X.logprobs` beside `X.jsonl`: how likely a teacher's tokens were while it wrote them, and what stood in their place.

Of each token: which one, its log-probability, and those of its likeliest alternatives. A token is known by the id that
the server gave, else by its bytes; never by its string, which several tokens may share. The file is a line of frames:

    T   new entries of the table of tokens; answers name a token by its place in the table
    A   one answer: columns of uint32 places and float16 logarithms
    E   where each answer's frame begins, sorted by name, so that it is found without reading the file

`LogprobsWriter` makes a file that appears whole. `appending` goes on with one that is kept while work goes on: it has
no E frame, and what a crash left half-written at its end is cut off. `LogprobsReader` reads both.
"""

from cotdistill.artifacts.logprobs.carried import Carrier as Carrier
from cotdistill.artifacts.logprobs.carried import carrying as carrying
from cotdistill.artifacts.logprobs.carried import joining as joining
from cotdistill.artifacts.logprobs.columns import NEVER as NEVER
from cotdistill.artifacts.logprobs.columns import NO_TOKEN as NO_TOKEN
from cotdistill.artifacts.logprobs.columns import Logprobs as Logprobs
from cotdistill.artifacts.logprobs.columns import Position as Position
from cotdistill.artifacts.logprobs.columns import Token as Token
from cotdistill.artifacts.logprobs.columns import logprobs_path as logprobs_path
from cotdistill.artifacts.logprobs.reader import LogprobsReader as LogprobsReader
from cotdistill.artifacts.logprobs.writer import Appender as Appender
from cotdistill.artifacts.logprobs.writer import LogprobsWriter as LogprobsWriter
from cotdistill.artifacts.logprobs.writer import appending as appending
