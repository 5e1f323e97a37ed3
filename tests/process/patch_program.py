#!/usr/bin/env python3
"""Make a copy of a program that is another one.

usage: patch_program.py PROGRAM COPY crash FUNCTION     the function's first instruction is ud2 (SIGILL)
       patch_program.py PROGRAM COPY layout OLD NEW     each 64-bit constant OLD (hex) is NEW
"""
import os, shutil, struct, sys


def sections(data):
    """Name -> (type, address, offset, size, link) of an ELF64 file."""
    at, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQII", data, at + i * size) for i in range(count)]
    strings = heads[names][4]
    name = lambda offset: data[strings + offset:data.index(b"\0", strings + offset)].decode()
    return heads, {name(h[0]): h for h in heads}


def place_of(data, function):
    heads, named = sections(data)
    table, strings = named[".symtab"], named[".strtab"]
    for at in range(table[4], table[4] + table[5], 24):
        name, _, _, section, value, size = struct.unpack_from("<IBBHQQ", data, at)
        begin = strings[4] + name
        if size and data[begin:data.index(b"\0", begin)].decode() == function:
            return value - heads[section][3] + heads[section][4]
    sys.exit(f"there is no function {function}")


def main(program, copy, what, *values):
    data = bytearray(open(program, "rb").read())
    if what == "crash":
        at = place_of(bytes(data), values[0])
        data[at:at + 2] = b"\x0f\x0b"
    else:
        old, new = (struct.pack("<Q", int(v, 16)) for v in values)
        if old not in data:
            sys.exit(f"there is no constant {values[0]}")
        data = data.replace(old, new)
    with open(copy, "wb") as f:
        f.write(data)
    shutil.copymode(program, copy)


main(*sys.argv[1:])
