#include "arenafit/segment.h"

const char* arenafit_segment_text(arenafit_segment_status status) {
  switch (status) {
    case ARENAFIT_SEGMENT_OK:
      return "ok";
    case ARENAFIT_SEGMENT_FORMAT:
      return "not a program of this version, or not aligned";
    case ARENAFIT_SEGMENT_SIZE:
      return "the program is not as long as it says";
    case ARENAFIT_SEGMENT_CHECKSUM:
      return "the program is damaged: wrong checksum";
    case ARENAFIT_SEGMENT_TENSOR:
      return "a tensor is empty, out of bounds or of a type that is not built in";
    case ARENAFIT_SEGMENT_OPERATOR:
      return "an operator is unknown, or its operands are";
    case ARENAFIT_SEGMENT_SHAPE:
      return "the tensors of an operator do not go together";
    case ARENAFIT_SEGMENT_PARAMETERS:
      return "the parameters of an operator are out of bounds or range";
    case ARENAFIT_SEGMENT_GOAL:
      return "a goal cannot be reached, or an output is not complete";
    case ARENAFIT_SEGMENT_RING:
      return "a row is lost before it is read for the last time";
    case ARENAFIT_SEGMENT_OVERLAP:
      return "an output is written over an input that is still needed";
    case ARENAFIT_SEGMENT_ALIGNMENT:
      return "a tensor is not aligned as its elements are";
    case ARENAFIT_SEGMENT_SOURCE:
      return "there is no source of the rows that it is fed";
    case ARENAFIT_SEGMENT_ABORTED:
      return "the source of rows gave up";
  }
  return "unknown status";
}
