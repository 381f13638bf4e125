"""Ours and the peers, one file each; `register` lists them.

A peer is written anew from its published behaviour with its published constants. It reads only its `Seat`.
"""
