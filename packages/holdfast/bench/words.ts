// The words that made-up data consists of.

export const givenNames =
  "Ada Alan Barbara Bela Carla Chen Dana Edsger Emil Fatima Grace Hedy Ines Ivan Jana Joan Ken Leslie Lena Maria Mehmet Niklaus Olga Omar Paula Radia Rosa Sofia Tim Tony Ursula Yuki".split(
    " ",
  );
export const familyNames =
  "Adams Bauer Chandra Dijkstra Engel Fischer Garcia Hopper Ivanov Jensen Kowalski Lamport Liskov Meyer Nguyen Okafor Perlman Quist Rossi Schmidt Tanaka Ueda Vogel Weber Xu Yilmaz Zimmermann".split(
    " ",
  );
export const plainWords =
  "the of and to in is that for it as was with be by on not he this are or his from at which but have an had they you were there one all we can her has out up if about who get which go me account address amount archive balance cancel carrier cheap city colour credit customer date delivery discount document error express gift invoice letter message missing morning number order package paid partial payment pending phone price product question reason receipt refund region repeat reply return second sent service shipment size status stock store street supplier thank total track update urgent value warehouse weight window".split(
    " ",
  );
