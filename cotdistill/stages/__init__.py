"""The stages: each turns an input file into an output file, `run(input, output, config, progress) -> Manifest`."""
