"""The nouns that travel between the rooms.

Shape letters, the same everywhere: ``B`` batch, ``T`` time, ``N`` environments, ``K`` updates per turn,
``U`` unroll steps, ``M`` tree nodes, ``A`` actions, ``S`` support bins, ``C H W`` image.
"""

from triptych.types.environments import EnvSpec, FewStarts, Game, GameFactory, GoalRule, Received, TableModel
from triptych.types.errors import ConfigurationError, ExitCode, NoPicture, NotFinite, RunInterrupted
from triptych.types.learning import (
    EmptyTurn,
    LossOutput,
    Minibatch,
    ReplayBatch,
    Rollout,
    RolloutSequences,
    RolloutSteps,
    Segment,
    StoredSequence,
    Transition,
)
from triptych.types.playing import (
    EVALUATE,
    EXPLORE,
    Actions,
    Actor,
    ActorOutput,
    Episode,
    EvaluationResult,
    Explanation,
    Extras,
    Step,
)
from triptych.types.randomness import Chance, chance_seed

__all__ = [
    "EVALUATE",
    "EXPLORE",
    "Actions",
    "Actor",
    "ActorOutput",
    "Chance",
    "ConfigurationError",
    "EmptyTurn",
    "EnvSpec",
    "Episode",
    "EvaluationResult",
    "ExitCode",
    "Explanation",
    "Extras",
    "FewStarts",
    "Game",
    "GameFactory",
    "GoalRule",
    "LossOutput",
    "Minibatch",
    "NoPicture",
    "NotFinite",
    "Received",
    "ReplayBatch",
    "Rollout",
    "RolloutSequences",
    "RolloutSteps",
    "RunInterrupted",
    "Segment",
    "Step",
    "StoredSequence",
    "TableModel",
    "Transition",
    "chance_seed",
]
