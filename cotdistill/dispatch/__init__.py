"""Between a stage and a teacher: store, claims, budget, limiter and the one retry loop."""
