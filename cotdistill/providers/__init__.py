"""What teachers share: types, errors, transport, limits, wire formats, Batch APIs."""
