// The commands of librsync's delta format.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ibt {

constexpr uint8_t OP_END = 0x00;
// 0x01..0x40: a literal of that length.
constexpr uint8_t OP_LITERAL_SHORT_MAX = 0x40;
// 0x41..0x44: a literal whose length follows in 1, 2, 4 or 8 bytes.
constexpr uint8_t OP_LITERAL = 0x41;
// 0x45..0x54: a copy; 4 * width of the position + width of the length, each 0..3 for 1, 2, 4 or 8 bytes.
constexpr uint8_t OP_COPY = 0x45;
constexpr uint8_t OP_RESERVED = 0x55;
// An opcode, a position and a length.
constexpr size_t COMMAND_MAX = 1 + 8 + 8;

}  // namespace ibt
