"""What the balancer calls. The modules `wit_world` and `componentize_py_types` are there only in the component."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.setup import Info

import ranking


class Ranking(exports.Ranking):
    def rank(self, context, candidates):
        return ranking.rank(context, candidates)


class Setup(exports.Setup):
    # EDIT: `stateful` is True for a policy that remembers something from one call to the next.
    def describe(self):
        return Info(name="__NAME__", version="0.1.0", stateful=False)

    # EDIT: read the policy's own configuration, a JSON object. What is raised here keeps the policy from being used.
    def configure(self, text):
        if not isinstance(json.loads(text), dict):
            raise Err("the configuration is no object")

    # EDIT: keep what you need of the addresses and tags of workers, and of the names of lanes and functions.
    def topology(self, directory):
        pass
