"""BLAS limited to one thread while a fit has threads of its own."""

import threading

from threadpoolctl import ThreadpoolController


class SingleThreadedBlas:
    """BLAS limited to one thread while at least one fit needs it.

    threadpoolctl's limits are global to the process. Two fits at once that each set
    and restored them would leave the wrong limit behind, so users are counted: the
    first sets the limit, the last restores it. These may be different threads, but
    from version 3.8 on threadpoolctl obeys one thread only, until it gives up control.
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
            # a fit uses what the user, OMP_NUM_THREADS or loky had set for BLAS
            return min(self._counts, default=1)

    def __exit__(self, *exc):
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._set(self._counts)

    def _set(self, counts):
        """Set the libraries' numbers of threads, and let any thread set the next.

        Not by the controller's own `limit`, which queries each library and takes as
        long as a pass over small data.
        """
        libraries = self._controller.lib_controllers
        for library, count in zip(libraries, counts, strict=True):
            has_control = hasattr(library, "clear_controlling_thread")  # from 3.8 on
            if has_control:
                library.clear_controlling_thread(force=True)
            library.set_num_threads(count)
            if has_control:
                library.clear_controlling_thread(force=True)


single_threaded_blas = SingleThreadedBlas()
