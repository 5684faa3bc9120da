"""Holds files against CycloneDX's schema, version 1.6, and prints what does not fit.

Usage: bill_of_materials.py FILE …
"""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

validator = JsonStrictValidator(SchemaVersion.V1_6)
faults = {name: validator.validate_str(Path(name).read_text()) for name in sys.argv[1:]}
for name, fault in faults.items():
    if fault:
        print(f"{name}: {fault}", file=sys.stderr)
sys.exit(any(faults.values()))
