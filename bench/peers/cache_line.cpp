// Copyright 2026 the Rendezvous authors. MIT license.

// The floor for two processes: a word in shared memory goes to and fro as often as each line of the
// input says, and nobody sleeps meanwhile.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <new>

struct Shared {
  alignas(64) std::atomic<int> word;
};

void volley(Shared* shared, int index, long phases) {
  for (long phase = 0; phase < phases; phase++) {
    while (shared->word.load(std::memory_order_acquire) != index) {
    }
    shared->word.store(1 - index, std::memory_order_release);
  }
}

int main() {
  void* memory = mmap(
      nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* shared = new (memory) Shared{};
  int gate[2];
  if (pipe(gate) != 0) return 1;

  long phases;
  if (fork() == 0) {
    close(gate[1]);
    while (read(gate[0], &phases, sizeof phases) == sizeof phases) volley(shared, 1, phases);
    _exit(0);
  }
  close(gate[0]);
  while (std::cin >> phases) {
    if (write(gate[1], &phases, sizeof phases) != sizeof phases) return 1;
    volley(shared, 0, phases);
    std::cout << "met" << std::endl;
  }
  close(gate[1]);
  wait(nullptr);
}
