"""Real LangChain and LangGraph runs with built-in fake models, to have something to look at.

`python -m longpole.tracer.demo --store URL` records them; `run_scenes` does so from Python.
"""

from longpole.tracer.demo.programme import SCENES, Scene, run_scenes
from longpole.tracer.demo.stage import SceneResult

__all__ = ["SCENES", "Scene", "SceneResult", "run_scenes"]
