"""Holds events of OCSF, one JSON object a line on standard input, against the schema: each version's own
model takes them, has what it requires, and knows every field. Prints what it read as `N events`."""

import importlib
import json
import sys

from pydantic import BaseModel

VERSIONS = ["v1_4_0", "v1_5_0", "v1_6_0", "v1_7_0"]
CLASSES = {6003: "ApiActivity", 1007: "ProcessActivity", 6002: "ApplicationLifecycle"}
# Required by the schema, and filled in by these models where they are missing.
REQUIRED = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"]


def unknown(model, path=""):
    """Fields that the schema does not have."""
    found = [f"{path}.{name}" for name in model.model_extra or {}]
    for name in type(model).model_fields:
        values = getattr(model, name)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, BaseModel):
                found += unknown(value, f"{path}.{name}")
    return found


def main():
    events = [json.loads(line) for line in sys.stdin]
    for version in VERSIONS:
        module = importlib.import_module(f"ocsf.{version}.events")
        for event in events:
            missing = [name for name in REQUIRED if name not in event]
            assert not missing, f"{missing} are missing: {event}"
            assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"], event
            assert event["time"] > 0, event
            read = getattr(module, CLASSES[event["class_uid"]]).model_validate(event)
            assert not unknown(read), f"{version}: {unknown(read)}: {event}"
    print(len(events), "events")


main()
