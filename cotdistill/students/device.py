"""What the device of this process can do."""


def has_bfloat16() -> bool:
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(fast and fast())
