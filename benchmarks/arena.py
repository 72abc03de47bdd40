"""Where processes meet that use a store on a server: each has its turn, and is counted once."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import peers
from benchmarks.harness import Command, Run, Runs, run
from benchmarks.remote import LibHdfs, Service, Target
from benchmarks.workbench import Workbench
from tests.servers.proxy import Proxy

Contestant = Callable[[Target], Command]
"""Makes ready what is not measured, and returns what is."""


@dataclass(frozen=True, slots=True)
class Arena:
    """Where contestants meet: a service, and the workbench for what is local."""

    workbench: Workbench
    service: Service

    def blobfs(self, *arguments: str, home: str | None = None, **options: object) -> Contestant:
        """Return blobfs with these arguments.

        Args:
            arguments: of its command line; `OUT` becomes a path that is not there yet.
            home: holds its hash cache; a new one if not given.
            options: of the store, beside where it is.
        """
        return self._configured(peers.blobfs(*arguments), home, options)

    def script(self, *arguments: str) -> Contestant:
        """Return a program that uses blobfs; the store is called `bench`."""
        return self._configured(arguments, None, {})

    def _configured(
        self, arguments: Sequence[str], home: str | None, options: Mapping[str, object]
    ) -> Contestant:
        def prepared(target: Target) -> Command:
            place = home or self.workbench.new("home")
            os.makedirs(place, exist_ok=True)
            config = {**self.service.config(target), **options}
            store = {"blob_manager_class": self.service.manager, "blob_manager_config": config}
            path = f"{place}/config.yaml"
            with open(path, "w", encoding="utf-8") as file:  # JSON is YAML
                json.dump({"stores": {"bench": store}, "default_store": "bench"}, file)
            command = self._command(self._outs(arguments), target, place)
            return Command(command.arguments, {**command.environment, "BLOBFS_CONFIG": path})

        return prepared

    def peer(self, *arguments: str, home: str | None = None) -> Contestant:
        """Return another program; `PLACE` in an argument becomes the place, `OUT` as above."""

        def prepared(target: Target) -> Command:
            named = [argument.replace("PLACE", target.place) for argument in arguments]
            return self._command(self._outs(named), target, home)

        return prepared

    def run(self, contestant: Contestant, place: str) -> Run:
        """Run one once."""
        return run(contestant(Target(self.service.url, place)))

    def count(self, contestant: Contestant, place: str) -> int:
        """Run one once through a proxy, and return how many requests it made."""
        with Proxy(self.service.server.host, self.service.port) as proxy:
            run(contestant(Target(proxy.url, place)))
            return len(proxy.requests)

    def race(
        self,
        contestants: Mapping[str, Contestant],
        places: Mapping[str, str] | None = None,
        *,
        few: bool = False,
        before: Callable[[], object] = lambda: None,
    ) -> dict[str, Runs]:
        """Count what they ask for, which warms all caches, then let them take turns.

        Args:
            contestants: by their labels.
            places: of each; a fresh one for each run if not given.
            few: whether that may be removed before the next run, as it is one request or a few
                files. A server that is slower the more it was given starts anew.
            before: is called before each round.
        """
        runs: dict[str, list[Run]] = {label: [] for label in contestants}
        requests: dict[str, int] = {}
        for number in range(self.workbench.rounds + 1):
            before()
            for label, contestant in contestants.items():
                if few and not places:
                    self.service.renew()
                place = places[label] if places else self.service.fresh()
                if number:
                    runs[label].append(self.run(contestant, place))
                elif type(self.service) is LibHdfs:
                    self.run(contestant, place)
                else:
                    requests[label] = self.count(contestant, place)
                if few and not places:
                    self.service.remove(place)
        return {label: Runs(label, runs[label], requests.get(label)) for label in contestants}

    def _outs(self, arguments: Sequence[str]) -> list[str]:
        return [self.workbench.new("out") if one == "OUT" else one for one in arguments]

    def _command(self, arguments: list[str], target: Target, home: str | None) -> Command:
        command = self.workbench.command(arguments, home)
        environment = {**command.environment, **self.service.environment(target)}
        return Command(arguments, environment)
