"""TRL's SFTTrainer as it comes, given the tokens: what a benchmark compares finetune's training with."""

import tempfile
from collections.abc import Callable
from typing import Any

from cotdistill.training.token_rows import TokenRows


def train_with_trl(
    model: Any, tokenizer: Any, rows: TokenRows, after_step: Callable[[int], None], *, peft: Any = None, **settings: Any
) -> None:
    """`after_step` gets the tokens of all steps so far; `settings` are those of SFTConfig, `peft` an adapter's."""
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Counting(SFTTrainer):
        read = 0

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            self.read += int(inputs["attention_mask"].sum())
            return super().compute_loss(model, inputs, *args, **more)

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            after_step(trainer.read)

    data = Dataset.from_dict(
        {"input_ids": [rows.ids(row) for row in range(len(rows))]}
        | {"labels": [rows.labels(row) for row in range(len(rows))]}
    )
    with tempfile.TemporaryDirectory() as work:
        args = SFTConfig(
            output_dir=work,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            save_strategy="no",
            disable_tqdm=True,
            report_to=[],
            **settings,
        )
        trainer = Counting(model=model, args=args, train_dataset=data, processing_class=tokenizer, peft_config=peft)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Clock())
        trainer.train()
