/** placeholder */
export interface Istiod {
  close(): Promise<void>
}
