/** Bytes of one artifact that are compressed as one frame, at most. */
export const FRAME_BYTES = 1024 * 1024
/** Bytes of one part: a content up to this size is buffered in memory; a longer delta is cut into parts of this size. */
export const PART_BYTES = 8 * 1024 * 1024
/** A sparse file up to this size is read, holes and all. */
export const SPARSE_BUFFERED_BYTES = 64 * 1024
/** Bytes of one chunk when this package reads a content itself. */
export const CHUNK_BYTES = 1024 * 1024
/** Files of one batch, at most. */
export const BATCH_FILES = 256
/** Bytes of one batch, at most. */
export const BATCH_BYTES = 2 * 1024 * 1024
/** A larger file is a batch by itself. */
export const BATCHED_FILE_BYTES = 256 * 1024
/** Bytes in flight in one pipeline. */
export const IN_FLIGHT_BYTES = 32 * 1024 * 1024
/** Contents below this size are not signed: a delta of them would save little. */
export const SIGNED_MIN_BYTES = 16 * 1024
/** The smallest block that a sigvault's signatures use. */
export const SIGVAULT_BLOCK_LEN_MIN = 2048
/** The largest block of a signature where the source knows changed blocks: what hypervisors track. */
export const TRACKED_BLOCK_LEN_MAX = 64 * 1024
/** Bytes of a strong sum in a sigvault: 8 are safe against chance only, 16 against a forger (CVE-2014-8242). */
export const SIGVAULT_STRONG_LEN = 16
/** A delta larger than this share of the content is not stored. */
export const DELTA_MAX_SHARE = 0.75
/** Milliseconds within which a timestamp cannot be trusted to have changed with the content. */
export const RACY_MS = 2000
/** Frames that `encode` has in the codec at the same time. */
export const FRAMES_IN_FLIGHT = 8
/** Entries that `pack` holds back until their bytes have gone ahead, at most. */
export const PACK_PENDING_ENTRIES = 4096
/** Memory that the lines of unchanged entries among them take, at most. */
export const PACK_PENDING_BYTES = 16 * 1024 * 1024
/** Chunks of one artifact that wait for the store, at most. */
export const CHUNKS_WAITING = 4
/** Chunks of a large file that are signed ahead. */
export const CHUNKS_AHEAD = 2
/** Directories that `walk` lists ahead, of each open directory. */
export const LISTINGS_AHEAD = 16
/** Jobs that they are listed in. */
export const LISTING_JOBS = 4
/** Entries that one job lists, about: then no directory below is listed any more. */
export const LISTED_BELOW_ENTRIES = 2048
/** Entries of one batch, at most: a stage works on them without a pause. */
export const BATCH_ENTRIES = 2048
/** Paths of one kind that the report of a restore lists, at most: it counts the others. */
export const REPORTED_PATHS = 100
/** Files with the most stored bytes that the report of a backup lists. */
export const LARGEST_FILES = 10
/** Bytes of frames that a restore keeps in memory, of all archives together. */
export const ARCHIVE_FRAMES_BYTES = 64 * 1024 * 1024
/** Milliseconds after which a stage that serves from memory lets timers and abort run. */
export const BREATHE_MS = 8
/** Name of the ignore file that is looked for in every directory. */
export const IGNORE_FILE = '.exclude'
/** Bytes of one ignore file that are read: of a longer one, the lines that end within them count. */
export const IGNORE_FILE_BYTES = 1024 * 1024
/** Milliseconds that the newest backup may lie in the future before the clock is distrusted. */
export const CLOCK_AHEAD_MS = 24 * 60 * 60 * 1000
/** A source that had at least so many entries is refused where less than a share of them is left. */
export const SHRUNK_MIN_ENTRIES = 100
/** The share of its entries below which a source is refused. */
export const SHRUNK_SHARE = 0.01
/** Milliseconds that a hook of a config may take, if it says nothing else. */
export const HOOK_TIMEOUT_MS = 10 * 60_000
/** Version of the written formats. */
export const FORMAT_VERSION = 1
/** Deltas on one whole content, at most: then it is stored whole again. */
export const CHAIN_DELTAS = 200
/** Entries that `sign` keeps in order behind one batch, at most. */
export const SLOT_ENTRIES = 2048
/** Batches that `sign` has under way or waiting, at most. */
export const SLOTS = 8
/** Bytes of one stored signature, at most: of a file of 2^53 bytes it has 2 GB; this is enough for 2,800 TB. */
export const SIGNATURE_BYTES = 1024 * 1024 * 1024
/** Milliseconds that a run which has failed waits for its puts to end, and for what they stored to be deleted. */
export const WITHDRAW_MS = 5000
/** A restored sparse file has holes where such blocks are all zeros. */
export const HOLE_BYTES = 4096
/** Milliseconds in which a removed backup can come back. */
export const GRACE_MS = 7 * 24 * 60 * 60 * 1000
/** Milliseconds after which the holder of a lock says again that it lives. */
export const LOCK_RENEW_MS = 60_000
/** A lock that was not renewed for so many milliseconds is stale, if the process number of its holder proves nothing. */
export const LOCK_STALE_MS = 10 * 60_000
/** Milliseconds after which a lock that is waited for is tried again. */
export const LOCK_POLL_MS = 500
/** Bytes of extended attributes of one entry that are stored, at most: what the records of a tar have room for. */
export const XATTRS_BYTES = 960 * 1024
/** Entries of an unsorted tar that are sorted, at most: each takes about a kilobyte of memory. */
export const SORTED_ENTRIES = 1_000_000
/** Bytes of one part of an upload to S3. */
export const S3_PART_BYTES = 8 * 1024 * 1024
/** Parts of one artifact that are uploaded to S3 at the same time. */
export const S3_PARALLEL_PARTS = 3
/** Parts that an object of S3 has, at most. */
export const S3_PARTS_MAX = 10_000
/** After so many parts they double: 10,000 parts, the first of 8 MiB, have 484 GiB. */
export const S3_PARTS_OF_A_SIZE = 2000
/** How often a request to S3 is tried, in all. */
export const S3_ATTEMPTS = 6
/** Milliseconds after which a connection to S3 on which nothing moves is given up. */
export const S3_STALLED_MS = 120_000
/** Milliseconds in which a connection to S3 has to be made. */
export const S3_CONNECT_MS = 15_000
/** How often a read from S3 goes on where it broke, without a byte between. */
export const S3_RESUMES = 5
/** Milliseconds before it first goes on; doubled every time. */
export const S3_RESUME_MS = 100
/** Milliseconds that an upload to S3 which has failed waits until the server has forgotten it. */
export const S3_ABORT_MS = 3000
/** Days for which an object that was thawed can be read. */
export const S3_THAW_DAYS = 7
/** Bytes of one volume of a bundle: in a live stream, they are gathered in memory. */
export const VOLUME_BYTES = 8 * 1024 * 1024

/** A merge of more bytes of bodies, before compression, is stored in segments of so many: where one ends, it can go on. */
export const SEGMENT_BYTES = 1024 * 1024 * 1024
/** Segments of a merge, about: those of a larger one are longer. */
export const SEGMENTS_MAX = 256
