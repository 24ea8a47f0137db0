"""Runs several commands of keystone-manage. Arguments: configuration file, then one command with its options each.

Loading Keystone takes seconds, so it is loaded once and every command is a fork of that.
"""
import os
import sys

from keystone.cmd import cli

for command in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        cli.main(argv=["keystone-manage", "--config-file", sys.argv[1]] + command.split())
        sys.stdout.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("keystone-manage %s failed" % command.split()[0])
