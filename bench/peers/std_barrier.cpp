// Copyright 2026 the Rendezvous authors. MIT license.

// Threads meet as often as each line of the input says: `std_barrier PARTIES`.

#include <barrier>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

int main(int, char** args) {
  const int parties = std::atoi(args[1]);
  std::barrier meeting(parties);
  std::barrier gate(parties + 1);
  long phases = 0;  // 0 at the gate ends the threads.

  std::vector<std::jthread> threads;
  for (int i = 0; i < parties; i++) {
    threads.emplace_back([&] {
      for (;;) {
        gate.arrive_and_wait();
        if (phases == 0) return;
        for (long phase = 0; phase < phases; phase++) meeting.arrive_and_wait();
        gate.arrive_and_wait();
      }
    });
  }

  while (std::cin >> phases) {
    gate.arrive_and_wait();
    gate.arrive_and_wait();
    std::cout << "met" << std::endl;
  }
  phases = 0;
  gate.arrive_and_wait();
}
