"""What stays behind: ignore rules, exactly as git 2.39 reads them.

Everything is bytes, and case counts. The rules come from one kind of file, found in the root of
a source and in the directories below it (`ignore_file_of`); nothing above the root counts, nor
do git's own settings. Going down a tree:

    rules = IgnoreRules.of_root(root)
    rules.ignores(name, is_directory=…)         # of each entry of the root
    rules = rules.enter(location, name)         # of a directory that is not ignored

Nothing here can hang: a pattern takes time in proportion to its length times the name's. An
ignore file may have 10 MiB, and 10,000 different patterns with wildcards beside `*.ext`.
"""

from blobfs.ignore.file import Rule
from blobfs.ignore.rules import IgnoreRules, explain, ignore_file_of

__all__ = ["IgnoreRules", "Rule", "explain", "ignore_file_of"]
