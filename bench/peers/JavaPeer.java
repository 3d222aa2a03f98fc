// Copyright 2026 the Rendezvous authors. MIT license.

import java.util.Scanner;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Phaser;

/** Threads meet as often as each line of the input says: `java JavaPeer.java PARTIES BARRIER`. */
class JavaPeer {
  interface Meeting {
    void await() throws Exception;
  }

  static volatile int phases;

  public static void main(String[] args) throws Exception {
    int parties = Integer.parseInt(args[0]);
    Meeting meeting = args[1].equals("Phaser")
        ? new Phaser(parties)::arriveAndAwaitAdvance
        : new CyclicBarrier(parties)::await;
    var gate = new CyclicBarrier(parties + 1);
    for (int i = 0; i < parties; i++) {
      var thread = new Thread(() -> {
        try {
          for (;;) {
            gate.await();
            for (int phase = 0; phase < phases; phase++) meeting.await();
            gate.await();
          }
        } catch (Exception error) {
          error.printStackTrace();
          System.exit(1);
        }
      });
      thread.setDaemon(true);
      thread.start();
    }
    var input = new Scanner(System.in);
    while (input.hasNextInt()) {
      phases = input.nextInt();
      gate.await();
      gate.await();
      System.out.println("met");
    }
  }
}
