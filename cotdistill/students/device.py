"""What the device of this process can do."""

import torch


def has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(fast and fast())
