"""`cotdistill mock-teacher`: the embedded teacher as a server, for rehearsals against a provider's interface."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cotdistill.cli import log
from cotdistill.cli.help import GroupedCommand, example
from cotdistill.mock import faults

if TYPE_CHECKING:
    from cotdistill.mock.wire_scores import Scorer

_EPILOG = (
    example("cotdistill mock-teacher --rpm 600 --latency-ms 800 --latency-tail 0.8 --faults 529:0.1,cut:0.02,500@1-3")
    + "\n\n\b\n"
    "Without --replay it solves chains of last-digit operations, such as\n"
    "a=6 b=a*3 c=b-9 c?, and forgets to borrow six times in ten. Of anything\n"
    f"else it says that it is simulated.\n\n{faults.HELP}"
)


def register(app: typer.Typer) -> None:
    app.command("mock-teacher", cls=GroupedCommand, epilog=_EPILOG)(mock_teacher)


def mock_teacher(
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", metavar="N", min=0, max=65535)
    ] = 8010,
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    replay: Annotated[
        Path | None,
        typer.Option(
            help="Answer known questions with recorded solutions: JSONL of question and answer, question and a list of "
            "solutions, or responses of generate.",
            metavar="FILE",
        ),
    ] = None,
    latency_ms: Annotated[
        float, typer.Option(help="Median delay of an answer, in milliseconds.", metavar="MS", min=0)
    ] = 0,
    latency_tail: Annotated[
        float,
        typer.Option(
            help="Spread of the delay (log-normal): at 1, one answer in a hundred takes ten times as long.",
            metavar="SIGMA",
            min=0,
        ),
    ] = 0,
    rpm: Annotated[int | None, typer.Option(help="Requests a minute; more get 429.", metavar="N", min=1)] = None,
    input_tpm: Annotated[int | None, typer.Option(help="Input tokens a minute.", metavar="N", min=1)] = None,
    output_tpm: Annotated[int | None, typer.Option(help="Output tokens a minute.", metavar="N", min=1)] = None,
    burst: Annotated[
        float, typer.Option(help="Seconds of a limit that may be used at once.", metavar="S", min=0.001)
    ] = 60,
    faults_: Annotated[
        str, typer.Option("--faults", help="What goes wrong, such as 429:0.2,cut:0.05; see below.", metavar="SPEC")
    ] = "",
    truncate: Annotated[bool, typer.Option("--truncate", help="Cut every answer at the token cap.")] = False,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Write a line for each answer that was billed, delivered or not.", metavar="FILE"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of mistakes, faults and delays.", metavar="N")] = 0,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="Score given tokens too, as vLLM and SGLang do: by this student, a directory or any other.",
            metavar="STUDENT",
        ),
    ] = None,
    accept_key: Annotated[str | None, typer.Option(help="Accept only this key (default: any).", metavar="KEY")] = None,
) -> None:
    """The simulated teacher as an HTTP server, in OpenAI's and Anthropic's wire formats."""
    import asyncio

    from cotdistill.mock.limits import Limits
    from cotdistill.mock.server import running
    from cotdistill.mock.sources import open_source
    from cotdistill.mock.teacher import ServerConfig

    settings = ServerConfig(
        source=open_source(str(replay) if replay else "digit-chains", seed=seed),
        latency_s=latency_ms / 1000,
        latency_tail=latency_tail,
        api_key=accept_key,
        limits=Limits(rpm, input_tpm, output_tpm, burst),
        faults=faults.parse(faults_),
        truncate=truncate,
        ledger=ledger,
        seed=seed,
        scorer=_scorer(scorer) if scorer else None,
    )

    async def serve() -> None:
        async with running(settings, host, port) as url:
            log.say(
                f"simulated teacher on {url}\n"
                f"  OpenAI wire format:    --teacher openai:simulated --base-url {url}/v1\n"
                f"  Anthropic wire format: --teacher anthropic:simulated --base-url {url}\n"
                f"{_scoring(url) if scorer else ''}"
                f"  what it billed:        {url}/ledger\n"
                "Ctrl-C stops it.",
                err=True,
            )
            await asyncio.Event().wait()

    asyncio.run(serve())


def _scorer(student: str) -> "Scorer":
    from cotdistill import students

    with students.quiet():
        from cotdistill.students.next_tokens import NextTokens

        return NextTokens(student)


def _scoring(url: str) -> str:
    return (
        f"  scores as vLLM does:   finetune --teacher vllm:simulated --base-url {url}/v1\n"
        f"  scores as SGLang does: finetune --teacher sglang:simulated --base-url {url}/v1\n"
    )
