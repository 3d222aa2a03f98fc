// Copyright 2026 the Rendezvous authors. MIT license.

// Threads or processes meet as often as each line of the input says:
// `pthread_barrier PARTIES threads|processes`.

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>

struct Shared {
  pthread_barrier_t meeting;
  pthread_barrier_t gate;
  long phases;  // 0 at the gate ends the parties.
};

void* party(void* argument) {
  auto* shared = static_cast<Shared*>(argument);
  for (;;) {
    pthread_barrier_wait(&shared->gate);
    const long phases = shared->phases;
    if (phases == 0) return nullptr;
    for (long phase = 0; phase < phases; phase++) pthread_barrier_wait(&shared->meeting);
    pthread_barrier_wait(&shared->gate);
  }
}

int main(int, char** args) {
  const int parties = std::atoi(args[1]);
  const bool processes = std::strcmp(args[2], "processes") == 0;
  auto* shared = static_cast<Shared*>(mmap(
      nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(
      &attributes, processes ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
  pthread_barrier_init(&shared->meeting, &attributes, parties);
  pthread_barrier_init(&shared->gate, &attributes, parties + 1);

  for (int i = 0; i < parties; i++) {
    pthread_t thread;
    if (!processes) {
      pthread_create(&thread, nullptr, party, shared);
    } else if (fork() == 0) {
      party(shared);
      _exit(0);
    }
  }

  long phases;
  while (std::cin >> phases) {
    shared->phases = phases;
    pthread_barrier_wait(&shared->gate);
    pthread_barrier_wait(&shared->gate);
    std::cout << "met" << std::endl;
  }
  shared->phases = 0;
  pthread_barrier_wait(&shared->gate);
  while (wait(nullptr) > 0) {
  }
}
