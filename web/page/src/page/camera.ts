/** The visitor's camera: squares of what it sees, as files. */

/** Side of a picture in pixels: what larger ones are reduced to. */
const SIDE = 160;

export class Camera {
  private stream: MediaStream | null = null;
  /** Incremented by every start and stop, so that a camera that opens late is closed. */
  private turn = 0;
  private readonly canvas = document.createElement('canvas');

  /** `ended` is called when the camera is taken away. */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly ended: () => void,
  ) {
    this.canvas.width = this.canvas.height = SIDE;
  }

  get on(): boolean {
    return this.stream !== null;
  }

  /** Opens the camera; false where it was closed meanwhile. */
  async start(): Promise<boolean> {
    this.stop();
    const mine = this.turn;
    if (!navigator.mediaDevices) throw new DOMException('', 'SecurityError');
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } }, audio: false });
    if (mine !== this.turn) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.stream = stream;
    for (const track of stream.getTracks()) track.addEventListener('ended', this.ended);
    this.video.srcObject = stream;
    await this.video.play();
    return mine === this.turn;
  }

  stop(): void {
    this.turn++;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  /** What the camera sees now, and its pixels; null before the first frame. */
  async picture(name: string): Promise<{ file: File; pixels: HTMLCanvasElement } | null> {
    const { videoWidth: width, videoHeight: height } = this.video;
    const context = this.canvas.getContext('2d');
    if (!this.on || !context || width === 0) return null;
    const cut = Math.min(width, height);
    context.drawImage(this.video, (width - cut) / 2, (height - cut) / 2, cut, cut, 0, 0, SIDE, SIDE);
    const blob = await new Promise<Blob | null>((go) => this.canvas.toBlob(go, 'image/jpeg', 0.92));
    return blob && { file: new File([blob], name, { type: 'image/jpeg' }), pixels: this.canvas };
  }
}

/** Why there is no camera, and what the visitor can do. */
export function cameraProblem(problem: unknown): string {
  switch (problem instanceof DOMException ? problem.name : '') {
    case 'NotAllowedError':
      return 'The camera was not allowed. Allow it for this page in the browser’s address bar, then try again.';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'No camera was found on this device.';
    case 'NotReadableError':
      return 'The camera could not be opened: another program may use it.';
    case 'SecurityError':
      return 'The camera requires https or localhost.';
    default:
      return `The camera could not be opened: ${String(problem)}`;
  }
}
