"""The modules beside this are imported by their names, as harm.py does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
