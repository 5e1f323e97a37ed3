"""What the drivers of tests that look at a job from outside have in common: checks that are counted, and a wait."""
import sys, time

PATIENCE = 90
passed = failed = 0


def check(what, good, *shown):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAIL", what, *shown)


def until(what, ready):
    """What ready() gives, once that is something."""
    end = time.monotonic() + PATIENCE
    while not (found := ready()):
        if time.monotonic() > end:
            print("FAIL", what, "never came")
            sys.exit(1)
        time.sleep(0.03)
    return found


def verdict():
    """The last line of the test; its exit status."""
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
