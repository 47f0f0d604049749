"""Examples -> one batch of tensors."""

from typing import Any

from cotdistill.training.token_rows import IGNORED


def collator(pad_token_id: int, *, packed: bool) -> Any:
    """TRL's collator, padded or packed, plus the `weights` of the labels."""
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    plain = DataCollatorForLanguageModeling(pad_token_id=pad_token_id, padding_free=packed)

    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = plain(examples)
        if "weights" in examples[0]:
            weights = [torch.tensor(example["weights"], dtype=torch.float32) for example in examples]
            if packed:
                weights = [torch.cat(weights)]
            padded = torch.nn.utils.rnn.pad_sequence(weights, batch_first=True)
            # The collator may have taken labels away: the first token of a packed row.
            batch["weights"] = padded.masked_fill(batch["labels"] == IGNORED, 0)
        return batch

    return collate
