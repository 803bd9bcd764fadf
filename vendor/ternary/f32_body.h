/* The one text of the float kernels. A file for an instruction set defines ISA, vectors V (16 floats) and I (16 int32),
 * the v_ and i_ operations on them (f32_ref.c says what each does) and the shapes of its tiles, and includes this. */
#include "f32_norm.h"
#include "f32_gate.h"
#include "f32_cells.h"
#include "f32_attend.h"
#include "f32_rows.h"
#include "f32_screen.h"
