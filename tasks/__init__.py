"""One thin task a stage: fetch inputs, call core, store outputs, record lineage."""
