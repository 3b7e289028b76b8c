"""BLAS on one thread, and how many it had."""

import threading

from threadpoolctl import ThreadpoolController


class SingleThreadedBlas:
    """BLAS limited to one thread while at least one fit needs it.

    threadpoolctl's limits belong to the process. Two fits at once that each set
    and restore them would leave the wrong one behind, so they are counted. The
    first to come and the last to go may be different threads, but from its version
    3.8 on threadpoolctl listens to one thread alone until that gives up control.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._users = 0
        self._controller = None
        self._counts = []

    def __enter__(self):
        with self._lock:
            if self._users == 0:
                if self._controller is None:
                    self._controller = ThreadpoolController().select(user_api="blas")
                libraries = self._controller.lib_controllers
                self._counts = [library.num_threads for library in libraries]
                self._set([1] * len(libraries))
            self._users += 1
            # What the user, OMP_NUM_THREADS or loky told BLAS is what we use.
            return min(self._counts, default=1)

    def __exit__(self, *exc):
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._set(self._counts)

    def _set(self, counts):
        """Set the libraries' numbers of threads; the next may come from any thread.

        The controller's own `limit` asks each library for all that is known of it,
        which takes as long as a pass over small data.
        """
        libraries = self._controller.lib_controllers
        for library, count in zip(libraries, counts, strict=True):
            may_be_others = hasattr(library, "clear_controlling_thread")
            if may_be_others:
                library.clear_controlling_thread(force=True)
            library.set_num_threads(count)
            if may_be_others:
                library.clear_controlling_thread(force=True)


single_threaded_blas = SingleThreadedBlas()
