"""Prints what TensorBoard reads of the folder argv[1], as JSON: [step, value] of each tag. Its reader checks every record's checksums."""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
accumulator.Reload()
tags = accumulator.Tags()["scalars"]
print(json.dumps({tag: [[event.step, event.value, event.wall_time] for event in accumulator.Scalars(tag)] for tag in tags}))
