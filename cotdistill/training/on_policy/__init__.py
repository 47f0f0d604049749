"""On-policy distillation: the student writes answers, a teacher scores their tokens, and the student learns from that.

Generalised Knowledge Distillation (Agarwal et al. 2024, https://arxiv.org/abs/2306.13649): what the student learns is
what to write where its own mistakes have led it, which no row of a teacher's shows.
"""
