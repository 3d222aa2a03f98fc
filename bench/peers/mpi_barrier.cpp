// Copyright 2026 the Rendezvous authors. MIT license.

// The ranks meet as often as each line of the input of rank 0 says.

#include <mpi.h>
#include <pthread.h>

#include <iostream>

struct Shared {
  pthread_barrier_t gate;
  long phases;  // 0 at the gate ends the ranks.
};

int main(int count, char** args) {
  MPI_Init(&count, &args);
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);

  // MPI waits by spinning, so an MPI_Bcast of the number would burn the processors while others are
  // measured. At this gate the ranks sleep.
  Shared* shared;
  MPI_Win window;
  MPI_Win_allocate_shared(
      rank == 0 ? sizeof(Shared) : 0, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &shared, &window);
  if (rank == 0) {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->gate, &attributes, ranks);
  } else {
    MPI_Aint size;
    int unit;
    MPI_Win_shared_query(window, 0, &size, &unit, &shared);
  }
  MPI_Barrier(MPI_COMM_WORLD);

  for (;;) {
    if (rank == 0 && !(std::cin >> shared->phases)) shared->phases = 0;
    pthread_barrier_wait(&shared->gate);
    const long phases = shared->phases;
    if (phases == 0) break;
    for (long phase = 0; phase < phases; phase++) MPI_Barrier(MPI_COMM_WORLD);
    pthread_barrier_wait(&shared->gate);
    if (rank == 0) std::cout << "met" << std::endl;
  }
  MPI_Win_free(&window);
  MPI_Finalize();
}
