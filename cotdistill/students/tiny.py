"""The embedded student: a Llama of about 0.1 M weights with a byte-level tokenizer, both built in code.

It starts from random weights, reads and writes any text, and learns a small task on one CPU core in under a minute.
"""

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

CONTEXT = 2048
"""Positions: bytes here, so a grade-school problem with its worked solution fits."""

LEARNING_RATE = 3e-3
"""The peak rate for its random weights."""
ADAM_BETA2 = 0.98
"""A run has hundreds of steps, not hundreds of thousands: the second moment must forget in tens of steps."""

END, USER, ASSISTANT, SYSTEM, PAD = "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|pad|>"
THINK, THINK_END = "<think>", "</think>"

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|' + message['role'] + '|>' -}}
{%- if message['role'] == 'assistant' and message.get('reasoning_content') -%}
{{- '<think>' + message['reasoning_content'] + '</think>' -}}
{%- endif -%}
{{- message['content'] + '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""


def tokenizer() -> PreTrainedTokenizerBase:
    """One token a byte, and one for each mark. `<think>` is no special token: it must survive decoding."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(mark, special=True) for mark in (PAD, END, SYSTEM, USER, ASSISTANT)])
    core.add_tokens([AddedToken(mark, special=False) for mark in (THINK, THINK_END)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def model(tokenizer: PreTrainedTokenizerBase, seed: int) -> LlamaForCausalLM:
    """Random weights. The usual initial range of 0.02 is made for wide layers: at width 64 it more than doubles
    the steps to learn a task, as do tied embeddings on unlucky seeds."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            initializer_range=0.1,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
